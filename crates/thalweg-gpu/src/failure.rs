//! Why a card does not train, and what would help, in words.

use thalweg_engine::{Error, Precision};

use crate::Backend;

/// Why a card does not train.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// A library is not there.
    NoBackend {
        backend: Backend,
        what: &'static str,
        why: String,
        remedy: &'static str,
    },
    /// There are not so many devices.
    NoDevice {
        backend: Backend,
        number: usize,
        count: usize,
    },
    /// No way leads to a device of that number, and why each of them does not.
    NoWay {
        number: usize,
        each: Vec<(Backend, Failure)>,
    },
    /// The kernel does not compile.
    Compile(String),
    /// The device failed.
    Device {
        doing: &'static str,
        why: String,
        out_of_memory: bool,
    },
    /// One network alone takes more bytes than the device has, or gives in one piece.
    TooLarge {
        device: String,
        bytes: u64,
        has: u64,
        in_one_piece: bool,
        precision: Precision,
    },
    /// The device lacks what a problem needs.
    Lacks {
        device: String,
        precision: Precision,
        what: String,
    },
    /// The device's numbers are not the processor's.
    Differs { device: String, first: String },
}

impl Failure {
    /// What is the matter.
    pub(crate) fn what(&self) -> String {
        match self {
            Failure::NoBackend {
                backend, what, why, ..
            } => format!("there is {what} for `gpu:{}` ({why})", backend.name()),
            Failure::NoDevice {
                backend,
                number,
                count,
            } => {
                let name = backend.name();
                match (count, backend) {
                    (0, Backend::Cuda) => {
                        "`gpu:cuda` has no device: NVIDIA's driver is there, and finds none".into()
                    }
                    (0, Backend::OpenCl) => "`gpu:opencl` has no device: OpenCL is there, without \
                                             a driver that brings one"
                        .into(),
                    (1, _) => format!(
                        "there is no device `gpu:{name}:{number}`: the only one is `gpu:{name}:0`"
                    ),
                    _ => format!(
                        "there is no device `gpu:{name}:{number}`: there are `gpu:{name}:0` to \
                         `gpu:{name}:{}`",
                        count - 1
                    ),
                }
            }
            Failure::NoWay { number, each } => {
                let asked = match number {
                    0 => "gpu".to_string(),
                    _ => format!("gpu:{number}"),
                };
                let each: Vec<String> = each.iter().map(|(_, failure)| failure.what()).collect();
                format!("there is no device for `{asked}`: {}", each.join("; "))
            }
            Failure::Compile(log) => format!("the kernel does not compile: {}", log.trim()),
            Failure::Device { doing, why, .. } => format!("the device failed while {doing}: {why}"),
            Failure::TooLarge {
                device,
                bytes,
                has,
                in_one_piece,
                ..
            } => {
                let (bytes, has) = (gibibytes(*bytes), gibibytes(*has));
                match in_one_piece {
                    false => format!("one network needs {bytes}, and {device} has {has}"),
                    true => format!(
                        "one network needs {bytes} in one piece, of which {device} gives {has}"
                    ),
                }
            }
            Failure::Lacks {
                device,
                precision,
                what,
            } => format!(
                "{device} cannot train in {}: it lacks {what}",
                precision.name()
            ),
            Failure::Differs { device, first } => {
                format!("{device} does not compute what the processor does: {first}")
            }
        }
    }

    /// What would help, but for another engine.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Failure::NoBackend { remedy, .. } => (*remedy).into(),
            Failure::NoDevice {
                backend, count: 0, ..
            } => match backend {
                Backend::Cuda => "see what `nvidia-smi` and `CUDA_VISIBLE_DEVICES` say".into(),
                Backend::OpenCl => {
                    "install the card's driver, or see what `OCL_ICD_VENDORS` says".into()
                }
            },
            Failure::NoDevice { .. } => "take a device that `thalweg devices` lists".into(),
            Failure::NoWay { each, .. } => {
                let each = each.iter().map(|(backend, failure)| {
                    format!("for {} {}", backend.word(), failure.remedy())
                });
                each.collect::<Vec<String>>().join("; ")
            }
            Failure::Compile(_) => {
                "report this fault of the program or take another driver of the device".into()
            }
            Failure::Device {
                out_of_memory: true,
                ..
            } => {
                "the networks take more memory than the device has free: train narrower ones".into()
            }
            Failure::Device {
                out_of_memory: false,
                ..
            } => "finished cells are kept; run again".into(),
            Failure::TooLarge { precision, .. } => match precision {
                Precision::F64 => {
                    "reduce `net.hidden` or `data.points`, set `precision = \"f32\"`".into()
                }
                Precision::F32 => "reduce `net.hidden` or `data.points`".into(),
            },
            Failure::Lacks { precision, .. } => match precision {
                Precision::F64 => "set `precision = \"f32\"`".into(),
                Precision::F32 => "take another device".into(),
            },
            Failure::Differs { .. } => {
                "its driver rounds otherwise: use another driver or device".into()
            }
        }
    }

    /// Engines that were not tried, and may train the same bits.
    fn instead(&self) -> &'static str {
        match self {
            Failure::NoBackend {
                backend: Backend::Cuda,
                ..
            } => "`--engine gpu:opencl` or `--engine cpu`",
            Failure::NoBackend { .. }
            | Failure::NoDevice { .. }
            | Failure::NoWay { .. }
            | Failure::Compile(_)
            | Failure::Device { .. }
            | Failure::TooLarge { .. }
            | Failure::Lacks { .. }
            | Failure::Differs { .. } => "`--engine cpu`",
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Device {
            what: failure.what(),
            hint: format!("{}, or use {}", failure.remedy(), failure.instead()),
        }
    }
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
