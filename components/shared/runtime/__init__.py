"""How a component lives: launcher, bus, configuration, secrets, clock, durable files, log, supervisor, component."""
