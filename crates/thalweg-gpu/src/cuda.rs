//! CUDA: the driver's library, and NVRTC, which compiles kernels. Both are loaded at run time: a
//! build runs everywhere, and says what is missing.
//!
//! NVIDIA, *CUDA Driver API* and *NVRTC*: names, arguments and meaning of every function here.

#![allow(
    unsafe_code,
    reason = "a C interface; every block says why it is sound"
)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Mutex;

use libloading::Library;

use crate::device::{About, Compiled, Device, Memory};
use crate::{Backend, Failure, lock};

type Handle = *mut c_void;
type Address = u64;

/// Declares a table of C functions that a library is asked for by name.
macro_rules! functions {
    ($table:ident { $($name:ident: $symbol:literal ($($argument:ty),*);)* }) => {
        struct $table {
            $($name: unsafe extern "C" fn($($argument),*) -> c_int,)*
            // The functions are in it.
            _library: Library,
        }

        impl $table {
            fn of(library: Library) -> Result<Self, String> {
                Ok($table {
                    $($name: {
                        // SAFETY: the type is that of the documentation.
                        let found = unsafe { library.get($symbol) };
                        *found.map_err(|e| reason(&e))?
                    },)*
                    _library: library,
                })
            }
        }
    };
}

functions!(Driver {
    init: b"cuInit\0" (c_uint);
    version: b"cuDriverGetVersion\0" (*mut c_int);
    count: b"cuDeviceGetCount\0" (*mut c_int);
    device: b"cuDeviceGet\0" (*mut c_int, c_int);
    name: b"cuDeviceGetName\0" (*mut c_char, c_int, c_int);
    total: b"cuDeviceTotalMem_v2\0" (*mut usize, c_int);
    attribute: b"cuDeviceGetAttribute\0" (*mut c_int, c_int, c_int);
    retain: b"cuDevicePrimaryCtxRetain\0" (*mut Handle, c_int);
    release: b"cuDevicePrimaryCtxRelease_v2\0" (c_int);
    make_current: b"cuCtxSetCurrent\0" (Handle);
    synchronize: b"cuCtxSynchronize\0" ();
    allocate: b"cuMemAlloc_v2\0" (*mut Address, usize);
    free: b"cuMemFree_v2\0" (Address);
    set: b"cuMemsetD8_v2\0" (Address, u8, usize);
    to_device: b"cuMemcpyHtoD_v2\0" (Address, *const c_void, usize);
    from_device: b"cuMemcpyDtoH_v2\0" (*mut c_void, Address, usize);
    load: b"cuModuleLoadData\0" (*mut Handle, *const c_void);
    unload: b"cuModuleUnload\0" (Handle);
    function: b"cuModuleGetFunction\0" (*mut Handle, Handle, *const c_char);
    set_attribute: b"cuFuncSetAttribute\0" (Handle, c_int, c_int);
    occupancy: b"cuOccupancyMaxActiveBlocksPerMultiprocessor\0" (*mut c_int, Handle, c_int, usize);
    launch: b"cuLaunchKernel\0" (
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void,
        *mut *mut c_void
    );
    error: b"cuGetErrorString\0" (c_int, *mut *const c_char);
});

functions!(Compiler {
    create: b"nvrtcCreateProgram\0" (
        *mut Handle, *const c_char, *const c_char, c_int, *const *const c_char,
        *const *const c_char
    );
    compile: b"nvrtcCompileProgram\0" (Handle, c_int, *const *const c_char);
    log_size: b"nvrtcGetProgramLogSize\0" (Handle, *mut usize);
    log: b"nvrtcGetProgramLog\0" (Handle, *mut c_char);
    code_size: b"nvrtcGetCUBINSize\0" (Handle, *mut usize);
    code: b"nvrtcGetCUBIN\0" (Handle, *mut c_char);
    destroy: b"nvrtcDestroyProgram\0" (*mut Handle);
});

/// Of `CUresult`: what a driver without a card says when it is started.
const NO_DEVICE: c_int = 100;

// Of `CUdevice_attribute` and `CUfunction_attribute`.
const MULTIPROCESSORS: c_int = 16;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
const SHARED_BYTES: c_int = 97;
const SET_SHARED_BYTES: c_int = 8;

/// The names under which a system may have the driver.
const DRIVERS: [&str; 3] = ["libcuda.so.1", "libcuda.so", "nvcuda.dll"];

/// The names under which a system may have NVRTC.
fn compilers() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for major in [13, 12] {
        all.push(format!("libnvrtc.so.{major}").into());
    }
    all.push("libnvrtc.so".into());
    all.push("nvrtc64_130_0.dll".into());
    all.push("nvrtc64_120_0.dll".into());
    let told = ["CUDA_PATH", "CUDA_HOME"].map(std::env::var_os);
    let toolkits = told.into_iter().flatten().map(PathBuf::from);
    for toolkit in toolkits.chain(["/usr/local/cuda".into()]) {
        for major in [13, 12] {
            all.push(toolkit.join(format!("lib64/libnvrtc.so.{major}")));
        }
    }
    all
}

/// What the system says of a library.
fn reason(error: &libloading::Error) -> String {
    use std::error::Error;
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn load(names: &[PathBuf]) -> Result<Library, String> {
    let mut first = None;
    for name in names {
        // SAFETY: NVIDIA's libraries may be loaded at any time.
        match unsafe { Library::new(name) } {
            Ok(library) => return Ok(library),
            Err(e) => {
                first.get_or_insert(reason(&e));
            }
        }
    }
    Err(first.unwrap_or_default())
}

fn driver() -> Result<Driver, Failure> {
    let missing = |why| Failure::NoBackend {
        backend: Backend::Cuda,
        what: "no NVIDIA driver",
        why,
        remedy: "install NVIDIA's driver",
    };
    let library = load(&DRIVERS.map(PathBuf::from)).map_err(missing)?;
    Driver::of(library).map_err(missing)
}

fn compiler() -> Result<Compiler, Failure> {
    let missing = |why| Failure::NoBackend {
        backend: Backend::Cuda,
        what: "no NVRTC, which compiles its kernels",
        why,
        remedy: "`pip install nvidia-cuda-nvrtc`, or install CUDA's toolkit",
    };
    let library = load(&compilers()).map_err(missing)?;
    Compiler::of(library).map_err(missing)
}

impl Driver {
    fn check(&self, doing: &'static str, code: c_int) -> Result<(), Failure> {
        if code == 0 {
            return Ok(());
        }
        let mut text = ptr::null();
        // SAFETY: gives the address of a text that lives as long as the driver.
        let known = unsafe { (self.error)(code, &mut text) } == 0 && !text.is_null();
        let why = if known {
            // SAFETY: a text that ends in zero.
            unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned()
        } else {
            format!("error {code}")
        };
        Err(Failure::Device {
            doing,
            why,
            out_of_memory: code == 2,
        })
    }

    fn attribute(&self, device: c_int, which: c_int) -> Result<c_int, Failure> {
        let mut value = 0;
        // SAFETY: writes one number.
        let code = unsafe { (self.attribute)(&mut value, which, device) };
        self.check("asking the device", code)?;
        Ok(value)
    }

    fn count(&self) -> Result<usize, Failure> {
        let mut count = 0;
        // SAFETY: may be called at any time.
        let started = unsafe { (self.init)(0) };
        if started == NO_DEVICE {
            return Ok(0);
        }
        self.check("starting the driver", started)?;
        // SAFETY: writes one number.
        let counted = unsafe { (self.count)(&mut count) };
        self.check("counting devices", counted)?;
        Ok(count as usize)
    }

    fn about(&self, number: usize) -> Result<(c_int, About), Failure> {
        let (mut device, mut version, mut bytes) = (0, 0, 0);
        let mut name = [0 as c_char; 256];
        // SAFETY: each writes what it is given room for.
        unsafe {
            self.check(
                "opening the device",
                (self.device)(&mut device, number as c_int),
            )?;
            self.check("asking the driver", (self.version)(&mut version))?;
            self.check(
                "asking the device",
                (self.name)(name.as_mut_ptr(), 255, device),
            )?;
            self.check("asking the device", (self.total)(&mut bytes, device))?;
        }
        // SAFETY: the last place is zero.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        let about = About {
            backend: "cuda",
            number,
            name: name.to_string_lossy().into_owned(),
            driver: format!("CUDA {}.{}", version / 1000, version % 1000 / 10),
            units: self.attribute(device, MULTIPROCESSORS)? as usize,
            // Some of it is taken by the kernel's own few numbers.
            group_bytes: (self.attribute(device, SHARED_BYTES)? as usize).saturating_sub(64),
            group_threads: 1024,
            is_processor: false,
            bytes: bytes as u64,
            piece_bytes: bytes as u64,
            without_f32: None,
            without_f64: None,
        };
        Ok((device, about))
    }
}

/// What devices there are.
pub(crate) fn devices() -> Result<Vec<About>, Failure> {
    let driver = driver()?;
    let count = driver.count()?;
    if count > 0 {
        compiler()?;
    }
    (0..count).map(|i| Ok(driver.about(i)?.1)).collect()
}

fn compile(compiler: &Compiler, source: &str, architecture: &str) -> Result<Vec<u8>, Failure> {
    let text = CString::new(source).map_err(|_| Failure::Compile("a zero in the text".into()))?;
    let architecture = format!("--gpu-architecture={architecture}\0");
    let options: [*const c_char; 2] = [architecture.as_ptr().cast(), c"--fmad=false".as_ptr()];
    let mut program = ptr::null_mut();
    // SAFETY: the texts end in zero and outlive the calls; what is written has the length that was
    // asked for before.
    unsafe {
        let (none, count) = (ptr::null(), options.len() as c_int);
        let name = c"train.c".as_ptr();
        let made = (compiler.create)(&mut program, text.as_ptr(), name, 0, none, none);
        if made != 0 {
            return Err(Failure::Compile(format!("NVRTC: error {made}")));
        }
        let compiled = (compiler.compile)(program, count, options.as_ptr());
        let result = if compiled == 0 {
            let mut size = 0;
            (compiler.code_size)(program, &mut size);
            let mut code = vec![0u8; size];
            (compiler.code)(program, code.as_mut_ptr().cast());
            Ok(code)
        } else {
            let mut size = 0;
            (compiler.log_size)(program, &mut size);
            let mut log = vec![0u8; size];
            (compiler.log)(program, log.as_mut_ptr().cast());
            Err(Failure::Compile(String::from_utf8_lossy(&log).into_owned()))
        };
        (compiler.destroy)(&mut program);
        result
    }
}

/// A device with its context.
pub(crate) struct Cuda {
    driver: Driver,
    compiler: Compiler,
    about: About,
    device: c_int,
    context: Handle,
    architecture: String,
    kernels: Mutex<Vec<Kernel>>,
    memory: Mutex<HashMap<usize, Address>>,
}

struct Kernel {
    module: Handle,
    function: Handle,
    threads: usize,
    bytes: usize,
}

// SAFETY: the driver may be called from any thread; its handles are only handed to it.
unsafe impl Send for Cuda {}
// SAFETY: the same.
unsafe impl Sync for Cuda {}

impl Cuda {
    pub(crate) fn open(number: usize) -> Result<Cuda, Failure> {
        let driver = driver()?;
        let count = driver.count()?;
        if number >= count {
            return Err(Failure::NoDevice {
                backend: Backend::Cuda,
                number,
                count,
            });
        }
        let compiler = compiler()?;
        let (device, about) = driver.about(number)?;
        let major = driver.attribute(device, CAPABILITY_MAJOR)?;
        let minor = driver.attribute(device, CAPABILITY_MINOR)?;
        let mut context = ptr::null_mut();
        // SAFETY: writes one handle, which is given back at the end.
        let code = unsafe { (driver.retain)(&mut context, device) };
        driver.check("opening the device", code)?;
        Ok(Cuda {
            driver,
            compiler,
            about,
            device,
            context,
            architecture: format!("sm_{major}{minor}"),
            kernels: Mutex::default(),
            memory: Mutex::default(),
        })
    }

    /// Makes the context that of this thread.
    fn here(&self) -> Result<(), Failure> {
        // SAFETY: the context lives as long as this.
        let code = unsafe { (self.driver.make_current)(self.context) };
        self.driver.check("entering the device", code)
    }

    fn address(&self, memory: Memory) -> Address {
        lock(&self.memory).get(&memory.0).copied().unwrap_or(0)
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        let _ = self.here();
        // SAFETY: nothing of it is in use any more.
        unsafe {
            (self.driver.synchronize)();
            for (_, address) in lock(&self.memory).drain() {
                (self.driver.free)(address);
            }
            for kernel in lock(&self.kernels).drain(..) {
                (self.driver.unload)(kernel.module);
            }
            (self.driver.release)(self.device);
        }
    }
}

impl Device for Cuda {
    fn about(&self) -> &About {
        &self.about
    }

    fn compile(&self, source: &str, threads: usize, bytes: usize) -> Result<Compiled, Failure> {
        let code = compile(&self.compiler, source, &self.architecture)?;
        self.here()?;
        let (mut module, mut function) = (ptr::null_mut(), ptr::null_mut());
        let mut groups = 0;
        // SAFETY: the code was made for this device; what is written has the size that it says.
        unsafe {
            let driver = &self.driver;
            let loaded = (driver.load)(&mut module, code.as_ptr().cast());
            driver.check("loading the kernel", loaded)?;
            let found = (driver.function)(&mut function, module, c"train".as_ptr());
            driver.check("loading the kernel", found)?;
            let set = (driver.set_attribute)(function, SET_SHARED_BYTES, bytes as c_int);
            driver.check("giving groups their memory", set)?;
            let told = (driver.occupancy)(&mut groups, function, threads as c_int, bytes);
            driver.check("asking how many groups fit", told)?;
        }
        let mut kernels = lock(&self.kernels);
        kernels.push(Kernel {
            module,
            function,
            threads,
            bytes,
        });
        Ok(Compiled {
            place: kernels.len() - 1,
            groups_a_unit: Some((groups as usize).max(1)),
        })
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, Failure> {
        self.here()?;
        let mut address = 0;
        let bytes = bytes.max(16);
        // SAFETY: writes one address of as many bytes, which are then set.
        unsafe {
            let got = (self.driver.allocate)(&mut address, bytes);
            self.driver.check("asking for memory", got)?;
            let set = (self.driver.set)(address, 0, bytes);
            self.driver.check("clearing memory", set)?;
        }
        let key = address as usize;
        lock(&self.memory).insert(key, address);
        Ok(Memory(key))
    }

    fn free(&self, memory: Memory) {
        let found = lock(&self.memory).remove(&memory.0);
        if let (Some(address), Ok(())) = (found, self.here()) {
            // SAFETY: it was allocated here, and is forgotten now.
            unsafe { (self.driver.free)(address) };
        }
    }

    fn write(&self, memory: Memory, at: usize, bytes: &[u8]) -> Result<(), Failure> {
        self.here()?;
        let to = self.address(memory) + at as u64;
        // SAFETY: the driver refuses what is outside of its memory.
        let code = unsafe { (self.driver.to_device)(to, bytes.as_ptr().cast(), bytes.len()) };
        self.driver.check("writing to the device", code)
    }

    fn read(&self, memory: Memory, at: usize, bytes: &mut [u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.here()?;
        let from = self.address(memory) + at as u64;
        let to = bytes.as_mut_ptr().cast();
        // SAFETY: as many bytes are written as there is room for.
        let code = unsafe { (self.driver.from_device)(to, from, bytes.len()) };
        self.driver.check("reading from the device", code)
    }

    fn launch(&self, kernel: Compiled, groups: usize, arguments: &[Memory]) -> Result<(), Failure> {
        self.here()?;
        let kernels = lock(&self.kernels);
        let kernel = &kernels[kernel.place];
        let mut addresses: Vec<Address> = arguments.iter().map(|m| self.address(*m)).collect();
        let mut each: Vec<*mut c_void> = addresses
            .iter_mut()
            .map(|a| ptr::from_mut(a).cast())
            .collect();
        let (groups, threads) = (groups as c_uint, kernel.threads as c_uint);
        let bytes = kernel.bytes as c_uint;
        // SAFETY: the kernel takes pointers only, as many as there are here, and the driver copies
        // them before it returns.
        let code = unsafe {
            (self.driver.launch)(
                kernel.function,
                groups,
                1,
                1,
                threads,
                1,
                1,
                bytes,
                ptr::null_mut(),
                each.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        self.driver.check("starting the kernel", code)
    }

    fn wait(&self) -> Result<(), Failure> {
        self.here()?;
        // SAFETY: waits, and nothing else.
        let code = unsafe { (self.driver.synchronize)() };
        self.driver.check("training", code)
    }
}
