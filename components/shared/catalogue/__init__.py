"""What is true: one SQLite file per owner, each with its writer and reader, and what keeps rows and files agreeing."""
