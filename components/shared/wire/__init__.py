"""What is said between rooms: pure values and their encodings, no time, files, sockets, threads or logging."""
