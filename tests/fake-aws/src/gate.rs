//! A gate that a test holds shut while it looks at what happens meanwhile.

use std::sync::Arc;

use tokio::sync::watch;

/// Answers under `Action::Hold(gate)` are sent once `release` was called. Clones are one gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub fn release(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn wait(&self) {
        let mut state = self.0.subscribe();
        // The sender lives as long as `self`, so this ends by a release alone.
        let _ = state.wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
