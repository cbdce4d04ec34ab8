//! Chooses the instruction set, once, at run time.

use fearless_simd::{Level, Simd};

use super::group::Group;
use super::kernel;
use super::lane::Lane;
use super::single::Single;
use crate::descent::Precision;
use crate::engine::{Engine, Problem, Supply};

/// The engine for processors: AVX-512, AVX2 with FMA, NEON, or the target's baseline. All give the
/// same bits, because every product is summed in the same order with one rounding a term.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    level: Level,
}

impl Cpu {
    /// With the best instructions this processor has.
    pub fn detect() -> Cpu {
        Cpu {
            level: Level::new(),
        }
    }

    /// One engine for each instruction set that this processor has, by name, the best one first.
    pub fn all() -> Vec<(&'static str, Cpu)> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let levels = [
            ("avx512", best.as_avx512().map(Level::Avx512)),
            ("avx2", best.as_avx2().map(Level::Avx2)),
            ("baseline", Some(Level::baseline())),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let levels = [("best", Some(best))];
        levels
            .into_iter()
            .filter_map(|(name, level)| Some((name, Cpu { level: level? })))
            .collect()
    }

    /// The name of the instruction set.
    pub fn instructions(&self) -> String {
        let debug = format!("{:?}", self.level);
        debug.split('(').next().unwrap_or(&debug).to_lowercase()
    }

    fn drive(&self, problem: &Problem, supply: &dyn Supply, share: u64) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = self.level.as_avx512() {
                return on(simd, problem, supply, share);
            }
            if let Some(simd) = self.level.as_avx2() {
                return on(simd, problem, supply, share);
            }
            if let Some(simd) = Level::baseline().as_sse2() {
                on(simd, problem, supply, share);
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        fearless_simd::dispatch!(self.level, simd => on(simd, problem, supply, share));
    }
}

/// Everything called from here is inlined, so that all of it is compiled for the instruction set.
#[inline(always)]
fn on<S: Simd>(simd: S, problem: &Problem, supply: &dyn Supply, share: u64) {
    match problem.precision {
        Precision::F32 => simd.vectorize(
            #[inline(always)]
            || train::<S, S::f32s>(simd, problem, supply, share),
        ),
        Precision::F64 => simd.vectorize(
            #[inline(always)]
            || train::<S, S::f64s>(simd, problem, supply, share),
        ),
    }
}

/// Bytes of weights and activations up to which a group of replicates runs from the second cache.
const CACHE: usize = 3 << 19;

/// Chooses who shares a vector: replicates, or the units of one network. The bits are the same.
#[inline(always)]
fn train<S: Simd, V: Lane<S>>(simd: S, problem: &Problem, supply: &dyn Supply, share: u64) {
    let parameters = problem.tensors.last().map_or(0, |t| t.range().end);
    let units: usize = problem.sizes.iter().sum();
    let bytes = (parameters + 3 * units * problem.points) * V::LEN * size_of::<V::Element>();
    let lanes = V::LEN as u64;
    if 2 * share <= lanes || bytes > CACHE {
        kernel::drive::<S, V, Single<S, V>>(simd, problem, supply, 1);
    } else {
        let width = share.min(lanes) as usize;
        kernel::drive::<S, V, Group<S, V>>(simd, problem, supply, width);
    }
}

impl Engine for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn train(&self, problem: &Problem, supply: &dyn Supply, threads: usize) {
        // Shares of the same size: no thread takes all lanes and leaves the others idle.
        let left = supply.left();
        let threads = left.clamp(1, threads.max(1) as u64);
        let share = left.div_ceil(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.drive(problem, supply, share));
            }
        });
    }
}
