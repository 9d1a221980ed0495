//! The world as the runner needs it: each effect goes to the adapter that can perform it.
