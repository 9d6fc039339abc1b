"""A stand-in for the AWS services around EdgeNVR, on one machine: one process, one endpoint, state that stays.

moto answers for most services. Where moto is looser than AWS, forgets, or does not run at all, this package does the
work itself: objects of S3 (checksums, signatures, files on disk), events to queues to functions, messages and items
that survive a kill. What exists comes from the product's own template. It imports nothing of the product.
"""
