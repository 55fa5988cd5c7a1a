//! The sans-I/O protocol layer.
