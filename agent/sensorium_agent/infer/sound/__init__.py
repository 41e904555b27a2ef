"""What is heard: speech, wake words, commands, and sounds of your own."""
