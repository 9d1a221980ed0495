//! Nouns of the product: what was observed, and what may be done. Pure.
