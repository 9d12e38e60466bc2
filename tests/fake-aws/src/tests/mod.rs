//! The fake as a client sees it, over real sockets.

mod access;
mod client;
mod doors;
mod faults;
mod metadata;
mod parameters;
