// The pod's first container: holds the namespaces and ends at once when it is told to.
module serinus.dev/local/pause

go 1.26.0
