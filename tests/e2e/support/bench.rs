//! A sandbox in this process, whose servers can be asked what they got.
