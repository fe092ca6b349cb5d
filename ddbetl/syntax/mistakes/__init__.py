"""What is wrong with a text that the parser refused, in the user's words."""
