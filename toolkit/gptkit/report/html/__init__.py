"""Write HTML: self-contained pages, and fragments for notebooks."""
