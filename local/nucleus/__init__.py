"""A Greengrass core for one machine: recipes, processes, IPC; it knows nothing of the product."""
