//! What a device can do for the engine: four things, by OpenCL or CUDA.

use std::fmt;

use crate::Failure;

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// `cuda` or `opencl`.
    pub backend: &'static str,
    /// Its number among the devices of the backend.
    pub number: usize,
    /// The device's name.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// Groups that train at the same time have their own memory, on so many units.
    pub units: usize,
    /// Bytes of a group's own memory.
    pub group_bytes: usize,
    /// Threads of a group at most.
    pub group_threads: usize,
    /// Whether it is a processor that OpenCL trains on: slowly, for tests.
    pub is_processor: bool,
    /// Bytes of the device's memory.
    pub bytes: u64,
    /// Bytes of it in one piece at most.
    pub piece_bytes: u64,
    /// Why it cannot train in f32, if it cannot.
    pub without_f32: Option<String>,
    /// Why it cannot train in f64, if it cannot.
    pub without_f64: Option<String>,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gpu:{}:{} {}", self.backend, self.number, self.name)
    }
}

/// A piece of the device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) usize);

/// A compiled kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub(crate) place: usize,
    /// Groups of it that a unit can hold at the same time, if the device tells.
    pub(crate) groups_a_unit: Option<usize>,
}

/// A device in use. Everything is in order: what is launched sees what was written before, and what
/// is read was launched before.
pub(crate) trait Device: Send + Sync {
    fn about(&self) -> &About;
    /// Compiles a kernel for groups of so many threads with so many bytes of their own.
    fn compile(&self, source: &str, threads: usize, bytes: usize) -> Result<Compiled, Failure>;
    /// Memory of so many bytes, all zero.
    fn allocate(&self, bytes: usize) -> Result<Memory, Failure>;
    fn free(&self, memory: Memory);
    fn write(&self, memory: Memory, at: usize, bytes: &[u8]) -> Result<(), Failure>;
    fn read(&self, memory: Memory, at: usize, bytes: &mut [u8]) -> Result<(), Failure>;
    /// Starts so many groups; does not wait for them.
    fn launch(&self, kernel: Compiled, groups: usize, arguments: &[Memory]) -> Result<(), Failure>;
    /// Waits for what was launched.
    fn wait(&self) -> Result<(), Failure>;
}
