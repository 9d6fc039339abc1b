"""What RTSP, SDP, RTP and their payload formats say, as pure functions and state machines; sockets are elsewhere."""
