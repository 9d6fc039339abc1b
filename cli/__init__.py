"""What `./nvr` dispatches to: the operator's and the developer's commands."""
