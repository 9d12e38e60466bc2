//! The children of this process: those that the fetch started, and those that were inherited.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The children of this process. Empty where the kernel does not list them (proc_pid_task(5)).
pub fn children() -> Vec<i32> {
    children_of("self")
}

fn children_of(process: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// Asks the children that are not among these to end, and all that came from them. A child that has ended keeps its
/// number until it is waited for, so nobody else is meant.
pub fn end_children_but(these: &[i32]) {
    let mut left: Vec<i32> = children().into_iter().filter(|child| !these.contains(child)).collect();
    while let Some(child) = left.pop() {
        left.extend(children_of(&child.to_string()));
        // One that has ended meanwhile is no failure.
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    }
}
