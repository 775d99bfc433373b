"""`serinus-fetch URI DESTINATION`: brings a model to a pod before the model server starts.

`cli` reads the arguments, `fetching` walks the way: a `Source` (one module a scheme in `sources/`) says which files
there are, `transfer` brings their bytes, then unpack, layout and digest look at them beside the destination, and only
a whole model is renamed into its place. Every request goes through `guard`, which knows the allowed hosts.
"""
