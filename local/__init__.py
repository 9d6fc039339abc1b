"""One machine standing in for everything around the components: a Greengrass core, cameras, a cloud."""
