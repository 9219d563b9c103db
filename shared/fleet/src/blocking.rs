//! For threads that wait for the network: readers ahead of a device, the device's own.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// Ends with the process and never before: who is in the midst of a request when the program's own runtime ends must not
/// notice.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("network").enable_all().build();
    runtime.expect("the system has a thread to give")
});

/// Waits for a future, on a thread that may block.
///
/// # Panics
/// Within a task, which must not block.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}
