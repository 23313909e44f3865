"""What a passer-by hears and reads: spoken prompts, and the screen. The lane does not know of it, nor wait for it."""
