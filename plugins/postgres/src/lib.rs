//! postgres-plugin
