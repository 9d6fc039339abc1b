"""The cloud side: the AWS SAM template and its functions."""
