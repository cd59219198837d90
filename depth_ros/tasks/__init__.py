"""One module or folder a task: rectifier, network and filters joined for nodes and commands."""
