"""Looks at recorded footage: motion on keyframes, video events, a thumbnail per segment."""
