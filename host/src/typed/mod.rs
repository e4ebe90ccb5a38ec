//! WIT types as JSON Schema, and values both ways.
