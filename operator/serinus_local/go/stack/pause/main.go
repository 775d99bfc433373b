// Command pause sleeps until SIGTERM or SIGINT; as PID 1 of a pod it has nothing else to do.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}
