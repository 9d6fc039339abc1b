"""What Capture decides, on plain values: no time, files, sockets, threads, logging or databases."""
