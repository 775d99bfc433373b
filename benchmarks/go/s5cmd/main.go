// s5cmd as it is: a module of its own, since it needs an older version of a package than rclone does.
package main

import (
	"context"
	"os"

	"github.com/peak/s5cmd/v2/command"
)

func main() {
	if command.Main(context.Background(), os.Args) != nil {
		os.Exit(1)
	}
}
