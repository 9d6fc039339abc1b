"""The functions of the cloud side: a thin handler each, which speaks to AWS, and its decisions beside it."""
