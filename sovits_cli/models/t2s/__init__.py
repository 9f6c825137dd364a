"""Text2Semantic, the GPT of the family (s1): text in, semantic tokens out."""
