//! The client against a raw TCP server that answers with every nastiness.
