//! OpenCL: graphics cards of every maker, and processors, through the system's loader.

#![allow(
    unsafe_code,
    reason = "a C interface; every block says why it is sound"
)]

use std::collections::HashMap;
use std::ptr;
use std::sync::Mutex;

use opencl3::command_queue::CommandQueue;
use opencl3::context::Context;
use opencl3::device::{
    CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_CPU, CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT, CL_FP_DENORM,
    CL_FP_FMA, CL_FP_INF_NAN, CL_FP_ROUND_TO_NEAREST, Device as ClDevice,
};
use opencl3::error_codes::{
    CL_INVALID_BUFFER_SIZE, CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY,
    CL_OUT_OF_RESOURCES, CL_PLATFORM_NOT_FOUND_KHR, ClError,
};
use opencl3::kernel::{ExecuteKernel, Kernel};
use opencl3::memory::{Buffer, CL_MEM_READ_WRITE};
use opencl3::platform::get_platforms;
use opencl3::program::Program;
use opencl3::types::CL_BLOCKING;

use crate::device::{About, Compiled, Device, Memory};
use crate::{Backend, Failure, lock};

/// What OpenCL says of memory that it does not give.
const OUT_OF_MEMORY: [i32; 4] = [
    CL_MEM_OBJECT_ALLOCATION_FAILURE,
    CL_OUT_OF_RESOURCES,
    CL_OUT_OF_HOST_MEMORY,
    CL_INVALID_BUFFER_SIZE,
];

fn told(doing: &'static str) -> impl Fn(ClError) -> Failure {
    move |e| Failure::Device {
        doing,
        why: e.to_string(),
        out_of_memory: OUT_OF_MEMORY.contains(&e.0),
    }
}

/// All devices of all platforms, in the loader's order, but processors after cards: the first one
/// is what people mean.
fn all() -> Result<Vec<ClDevice>, Failure> {
    let missing = |e: ClError| Failure::NoBackend {
        backend: Backend::OpenCl,
        what: "no OpenCL",
        why: e.to_string(),
        remedy: "install the card's driver and the loader (Debian: `ocl-icd-libopencl1`)",
    };
    let mut devices = Vec::new();
    let platforms = match get_platforms() {
        // The loader is there, and knows of no driver.
        Err(ClError(CL_PLATFORM_NOT_FOUND_KHR)) => Vec::new(),
        told => told.map_err(missing)?,
    };
    for platform in platforms {
        // A platform without devices is an error to OpenCL.
        let found = platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_default();
        devices.extend(found.into_iter().map(ClDevice::new));
    }
    devices.sort_by_key(|device: &ClDevice| is_processor(device));
    Ok(devices)
}

fn is_processor(device: &ClDevice) -> bool {
    let kind = device.dev_type().unwrap_or(CL_DEVICE_TYPE_CPU);
    kind & CL_DEVICE_TYPE_CPU != 0
}

/// What of an arithmetic a device lacks.
fn lacks(has: u64, wanted: &[(u64, &str)]) -> Option<String> {
    let missing = wanted.iter().filter(|(bit, _)| has & bit == 0);
    let missing: Vec<&str> = missing.map(|(_, what)| *what).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn about(device: &ClDevice, number: usize) -> Result<About, Failure> {
    let asking = told("asking the device");
    let common = [
        (CL_FP_FMA, "a fused multiply-add"),
        (CL_FP_DENORM, "subnormal numbers"),
        (CL_FP_INF_NAN, "infinities and NaN"),
        (CL_FP_ROUND_TO_NEAREST, "rounding to nearest"),
    ];
    let rounded = (
        CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT,
        "correctly rounded division",
    );
    let single = device.single_fp_config().map_err(&asking)?;
    // A device without double precision may refuse to be asked.
    let double = device.double_fp_config().unwrap_or(0);
    let without_f64 = if double == 0 {
        Some("double precision".to_string())
    } else {
        lacks(double, &common)
    };
    Ok(About {
        backend: "opencl",
        number,
        name: device.name().map_err(&asking)?.trim().to_string(),
        driver: format!(
            "{}, driver {}",
            device.version().map_err(&asking)?.trim(),
            device.driver_version().map_err(&asking)?.trim()
        ),
        units: device.max_compute_units().map_err(&asking)? as usize,
        // Some of it is taken by the kernel's own few numbers.
        group_bytes: (device.local_mem_size().map_err(&asking)? as usize).saturating_sub(64),
        group_threads: device.max_work_group_size().map_err(&asking)?,
        is_processor: is_processor(device),
        bytes: device.global_mem_size().map_err(&asking)?,
        piece_bytes: device.max_mem_alloc_size().map_err(&asking)?,
        without_f32: lacks(single, &[&common[..], &[rounded]].concat()),
        without_f64,
    })
}

/// What devices there are.
pub(crate) fn devices() -> Result<Vec<About>, Failure> {
    let all = all()?;
    all.iter().enumerate().map(|(i, d)| about(d, i)).collect()
}

/// A device with its queue.
pub(crate) struct OpenCl {
    about: About,
    context: Context,
    queue: CommandQueue,
    kernels: Mutex<Vec<(Kernel, usize)>>,
    memory: Mutex<HashMap<usize, Buffer<u8>>>,
}

impl OpenCl {
    pub(crate) fn open(number: usize) -> Result<OpenCl, Failure> {
        let all = all()?;
        let device = all.get(number).ok_or(Failure::NoDevice {
            backend: Backend::OpenCl,
            number,
            count: all.len(),
        })?;
        let opening = told("opening the device");
        let context = Context::from_device(device).map_err(&opening)?;
        let queue = CommandQueue::create_default_with_properties(&context, 0, 0);
        Ok(OpenCl {
            about: about(device, number)?,
            queue: queue.map_err(&opening)?,
            context,
            kernels: Mutex::default(),
            memory: Mutex::default(),
        })
    }
}

impl Device for OpenCl {
    fn about(&self) -> &About {
        &self.about
    }

    fn compile(&self, source: &str, threads: usize, bytes: usize) -> Result<Compiled, Failure> {
        // The memory of a group is declared in the text.
        let _ = bytes;
        let options = "-cl-fp32-correctly-rounded-divide-sqrt";
        let program = Program::create_and_build_from_source(&self.context, source, options);
        let program = program.map_err(Failure::Compile)?;
        let kernel = Kernel::create(&program, "train").map_err(told("loading the kernel"))?;
        let mut kernels = lock(&self.kernels);
        kernels.push((kernel, threads));
        Ok(Compiled {
            place: kernels.len() - 1,
            groups_a_unit: None,
        })
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, Failure> {
        let zeros = vec![0u8; bytes.max(16)];
        let asking = told("asking for memory");
        // SAFETY: no memory of the host is used.
        let buffer = unsafe {
            Buffer::<u8>::create(
                &self.context,
                CL_MEM_READ_WRITE,
                zeros.len(),
                ptr::null_mut(),
            )
        };
        let mut buffer = buffer.map_err(&asking)?;
        // SAFETY: waits until all is written.
        let cleared = unsafe {
            self.queue
                .enqueue_write_buffer(&mut buffer, CL_BLOCKING, 0, &zeros, &[])
        };
        cleared.map_err(&asking)?;
        let mut memory = lock(&self.memory);
        let key = (0..)
            .find(|k| !memory.contains_key(k))
            .unwrap_or(usize::MAX);
        memory.insert(key, buffer);
        Ok(Memory(key))
    }

    fn free(&self, memory: Memory) {
        lock(&self.memory).remove(&memory.0);
    }

    fn write(&self, memory: Memory, at: usize, bytes: &[u8]) -> Result<(), Failure> {
        let mut all = lock(&self.memory);
        let (Some(buffer), false) = (all.get_mut(&memory.0), bytes.is_empty()) else {
            return Ok(());
        };
        // SAFETY: waits until all is written; OpenCL refuses what is outside of the buffer.
        let written = unsafe {
            self.queue
                .enqueue_write_buffer(buffer, CL_BLOCKING, at, bytes, &[])
        };
        written.map(|_| ()).map_err(told("writing to the device"))
    }

    fn read(&self, memory: Memory, at: usize, bytes: &mut [u8]) -> Result<(), Failure> {
        let all = lock(&self.memory);
        let (Some(buffer), false) = (all.get(&memory.0), bytes.is_empty()) else {
            return Ok(());
        };
        // SAFETY: waits until all is read.
        let read = unsafe {
            self.queue
                .enqueue_read_buffer(buffer, CL_BLOCKING, at, bytes, &[])
        };
        read.map(|_| ()).map_err(told("reading from the device"))
    }

    fn launch(&self, kernel: Compiled, groups: usize, arguments: &[Memory]) -> Result<(), Failure> {
        let (kernels, memory) = (lock(&self.kernels), lock(&self.memory));
        let (kernel, threads) = &kernels[kernel.place];
        let mut call = ExecuteKernel::new(kernel);
        for argument in arguments {
            // SAFETY: the kernel takes buffers only, as many as there are here, each as long as it
            // indexes.
            unsafe { call.set_arg(&memory[&argument.0]) };
        }
        call.set_global_work_size(groups * threads);
        call.set_local_work_size(*threads);
        let starting = told("starting the kernel");
        // SAFETY: the buffers live until the queue is empty: `free` is called after `wait`.
        unsafe { call.enqueue_nd_range(&self.queue) }.map_err(&starting)?;
        self.queue.flush().map_err(&starting)
    }

    fn wait(&self) -> Result<(), Failure> {
        self.queue.finish().map_err(told("training"))
    }
}
