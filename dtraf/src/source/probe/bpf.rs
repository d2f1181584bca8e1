//! What the kernel lets dtraf do with eBPF.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, ProgramType, SchedClassifier};
use aya::sys::{SyscallError, is_program_supported};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::{Bpf, Bpffs, BpffsState, Jit, Kernel, Load, Said, Support, value_in};
use crate::source::ebpf::PinDirectory;

pub(super) fn look(bpffs: &Path, kernel: &Kernel) -> Bpf {
    let tcx = tcx();
    Bpf {
        load: load(),
        jit: value_in("/proc/sys/net/core/bpf_jit_enable")
            .map(|value| if value == "0" { Jit::Off } else { Jit::On }),
        btf: if Path::new("/sys/kernel/btf/vmlinux").exists() { Support::Yes } else { Support::No },
        tcx,
        clsact: clsact(&kernel.release),
        pinned: pinned(bpffs),
        bpffs: Bpffs { path: bpffs.to_owned(), state: state(bpffs) },
    }
}

/// Loads a program of two instructions, which is gone when this returns.
fn load() -> Load {
    match is_program_supported(ProgramType::SchedClassifier) {
        Ok(true) => Load::Done,
        Ok(false) => Load::Unsupported,
        Err(error) => Load::Refused(match system(&error) {
            Some((_, error)) => Said(error.to_string()),
            None => Said(error.to_string()),
        }),
    }
}

/// Asks the loopback interface which programs are on its TCX hook (`BPF_PROG_QUERY`), which changes nothing. A kernel without
/// TCX does not know the hook: EINVAL, as it does when it was built without `CONFIG_NET_XGRESS`
/// (<https://elixir.bootlin.com/linux/v6.6/source/include/net/tcx.h>). Wants `CAP_NET_ADMIN`.
fn tcx() -> Support {
    const QUERY: &str = "bpf_prog_query";
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => Support::Yes,
        Err(error) => match system(&error) {
            Some((QUERY, error)) if error.raw_os_error() == Some(libc::EINVAL) => Support::No,
            Some((QUERY, _)) | None => Support::Unknown,
            // It was answered, but we may not look at the programs that are there.
            Some(_) => Support::Yes,
        },
    }
}

/// The call that failed, and how.
fn system(error: &ProgramError) -> Option<(&'static str, &io::Error)> {
    match error {
        ProgramError::SyscallError(SyscallError { call, io_error }) => Some((call, io_error)),
        _ => None,
    }
}

/// Whether the kernel has the qdisc clsact and filters by eBPF, built in or as modules. There is no asking for them without
/// adding one to an interface.
fn clsact(release: &str) -> Support {
    const WANTED: [&str; 2] = ["sch_ingress", "cls_bpf"];
    let is_loaded = |name: &str| Path::new("/sys/module").join(name).exists();
    if WANTED.into_iter().all(is_loaded) {
        return Support::Yes;
    }
    let lists = ["modules.builtin", "modules.dep"]
        .map(|list| fs::read_to_string(Path::new("/lib/modules").join(release).join(list)));
    match lists {
        [Ok(builtin), Ok(modules)] => {
            let is_listed = |name: &str| is_module(&builtin, name) || is_module(&modules, name);
            if WANTED.into_iter().all(is_listed) { Support::Yes } else { Support::No }
        }
        // A kernel without a list of modules: a container's image, or all built in.
        _ => Support::Unknown,
    }
}

/// Whether a line begins with the module's file: `kernel/net/sched/sch_ingress.ko.xz: ...`.
fn is_module(list: &str, name: &str) -> bool {
    let files = list.lines().map(|line| line.split(':').next().unwrap_or_default());
    files.filter_map(|path| path.rsplit('/').next()?.split_once(".ko")).any(|(module, _)| module == name)
}

fn state(bpffs: &Path) -> BpffsState {
    if PinDirectory::new(bpffs).is_err() {
        return BpffsState::NotMounted;
    }
    match accessat(CWD, bpffs, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => BpffsState::Writable,
        Err(_) => BpffsState::Closed,
    }
}

/// None where it cannot be seen.
fn pinned(bpffs: &Path) -> BTreeSet<String> {
    let Ok(pins) = PinDirectory::new(bpffs) else { return BTreeSet::new() };
    let entries = fs::read_dir(pins.top()).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_file_and_not_by_who_needs_it() {
        let list = "kernel/net/sched/sch_ingress.ko.xz: kernel/net/core/x.ko\nkernel/net/sched/act_bpf.ko: kernel/net/cls_bpf.ko\n";
        assert!(is_module(list, "sch_ingress"));
        assert!(is_module(list, "act_bpf"));
        assert!(!is_module(list, "cls_bpf"));
        assert!(!is_module(list, "ingress"));
    }
}
