"""What a release rests on: known flaws of what it depends on, and the list of that."""
