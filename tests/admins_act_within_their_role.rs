//! Whoever administrates the host does what the key's role allows and nothing else, and the book has it, refused or not.

mod effects;
mod keys;
mod office;
mod private;
mod roles;
mod schemas;
mod silence;
mod strangers;
