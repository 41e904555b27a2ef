"""What is seen, said and heard in windows becomes vectors, before anything is fused."""
