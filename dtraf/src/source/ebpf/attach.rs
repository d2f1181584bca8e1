//! Programs onto hooks, and off again.
//!
//! A TCX link is pinned, so that counting goes on without a process; a clsact filter stays by itself. Both are replaced in
//! place when a new process takes over: there is no moment without a program.

use std::mem::ManuallyDrop;

use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, SchedClassifierLinkId, TcAttachOptions, TcAttachType, TcError, TcHandle,
    qdisc_add_clsact, qdisc_detach_program,
};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier};
use aya::sys::SyscallError;
use dtraf_common::abi::{Hook, programs as names};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use super::error::EbpfError;
use super::pins::{PinDirectory, unpin};
use super::programs::Programs;
use crate::accounting::identity::IfIndex;
use crate::accounting::snapshot::TcHook;

/// Where the user wants the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookChoice {
    /// TCX (Linux 6.6); clsact where the kernel has no TCX, and for many interfaces at once.
    Auto,
    Tcx,
    Clsact,
}

/// How many interfaces are to be attached to at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rush {
    Few,
    Many,
}

impl Rush {
    /// So many take TCX a second: the kernel waits for all CPUs with each link, some 12 ms, and two of them wait no less when
    /// asked for at the same time. A filter takes 0.05 ms.
    const FEW: usize = 40;

    pub(crate) fn of(interfaces: usize) -> Self {
        if interfaces > Self::FEW { Self::Many } else { Self::Few }
    }
}

/// Priority and handle of our clsact filters: first in line, and known again.
const PRIORITY: u16 = 1;
const HANDLE: TcHandle = TcHandle::new(0x6474, 0x7261);

/// An interface as attaching needs it.
#[derive(Clone, Debug)]
pub(super) struct Interface<'a> {
    pub(super) ifindex: IfIndex,
    pub(super) name: &'a str,
}

/// Whether a kernel has TCX hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TcxAttached {
    Done,
    Unsupported,
}

/// Attaches both programs to TCX hooks. Nothing was attached when the kernel has none.
pub(super) fn attach_tcx(
    programs: &mut Programs,
    pins: &PinDirectory,
    interface: &Interface<'_>,
) -> Result<TcxAttached, EbpfError> {
    check_name(interface)?;
    match attach_tcx_hook(programs, pins, interface, Hook::Ingress) {
        Err(EbpfError::Attach { source, .. }) if is_unsupported(&source) => Ok(TcxAttached::Unsupported),
        result => result
            .and_then(|()| attach_tcx_hook(programs, pins, interface, Hook::Egress))
            .map(|()| TcxAttached::Done),
    }
}

/// Whether somebody has programs on an interface's TCX hooks. They see packets before any filter does, and may end their way.
/// Where that cannot be found out, there may be some.
pub(super) fn has_tcx_programs(interface: &Interface<'_>) -> bool {
    [Hook::Ingress, Hook::Egress].into_iter().any(|hook| {
        match SchedClassifier::query_tcx(interface.name, attach_type(hook)) {
            Ok((_, programs)) => !programs.is_empty(),
            Err(error) => !is_unsupported(&error),
        }
    })
}

/// Gives an interface a clsact qdisc. Returns whether it had none.
pub(super) fn add_clsact(interface: &Interface<'_>) -> Result<bool, EbpfError> {
    check_name(interface)?;
    match qdisc_add_clsact(interface.name) {
        Ok(()) => Ok(true),
        Err(source) if is_there_already(&source) => Ok(false),
        Err(source) => Err(EbpfError::AddClsact { interface: interface.name.to_owned(), source }),
    }
}

/// Takes our filters away, known by their programs' names. Returns whether there were any.
pub(super) fn detach_clsact(interface: &str) -> bool {
    // Both, even when the first is not there.
    let [ingress, egress] = [(Hook::Ingress, names::INGRESS), (Hook::Egress, names::EGRESS)]
        .map(|(hook, name)| qdisc_detach_program(interface, attach_type(hook), name).is_ok());
    ingress || egress
}

/// Puts this process's programs in place of those that an earlier one has attached, and attaches what is missing.
pub(super) fn replace(
    programs: &mut Programs,
    pins: &PinDirectory,
    interface: &Interface<'_>,
    kind: TcHook,
) -> Result<(), EbpfError> {
    match kind {
        TcHook::Tcx => {
            replace_tcx(programs, pins, interface, Hook::Ingress)?;
            replace_tcx(programs, pins, interface, Hook::Egress)
        }
        TcHook::Clsact => {
            check_name(interface)?;
            let replaced = |hook| replace_clsact(programs, interface, hook);
            if [Hook::Ingress, Hook::Egress].map(replaced).iter().all(Result::is_ok) {
                return Ok(());
            }
            // The process before may have ended before it had added one.
            add_clsact(interface)?;
            attach_clsact(programs, interface)
        }
    }
}

/// Puts both programs into an interface's clsact qdisc.
pub(super) fn attach_clsact(programs: &mut Programs, interface: &Interface<'_>) -> Result<(), EbpfError> {
    attach_clsact_hook(programs, interface, Hook::Ingress)?;
    attach_clsact_hook(programs, interface, Hook::Egress)
}

/// Takes our pins away. The kernel detaches a TCX program with its last reference.
pub(super) fn unpin_links(pins: &PinDirectory, ifindex: IfIndex) -> Result<(), EbpfError> {
    unpin(&pins.link(ifindex, Hook::Ingress))?;
    unpin(&pins.link(ifindex, Hook::Egress))
}

fn attach_tcx_hook(
    programs: &mut Programs,
    pins: &PinDirectory,
    interface: &Interface<'_>,
    hook: Hook,
) -> Result<(), EbpfError> {
    let failed = |source| attach_failed(interface, hook, source);
    let program = programs.of(hook);
    let id = program
        .attach_with_options(interface.name, attach_type(hook), TcAttachOptions::TcxOrder(LinkOrder::first()))
        .map_err(failed)?;
    let link = program.take_link(id).map_err(failed)?;
    let link: FdLink = link.try_into().map_err(|source| link_failed(interface, source))?;
    check_name(interface)?;
    let path = pins.link(interface.ifindex, hook);
    link.pin(&path).map(drop).map_err(|source| EbpfError::Pin { path, source })
}

/// aya finds the interface by its name; another may have got it meanwhile.
fn check_name(interface: &Interface<'_>) -> Result<(), EbpfError> {
    let failed = |errno: rustix::io::Errno| EbpfError::FindInterface {
        interface: interface.name.to_owned(),
        source: errno.into(),
    };
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).map_err(failed)?;
    let found = name_to_index(&socket, interface.name).map_err(failed)?;
    let expected = interface.ifindex.0.get();
    if found == expected {
        Ok(())
    } else {
        Err(EbpfError::Renamed { interface: interface.name.to_owned(), expected, found })
    }
}

fn replace_tcx(
    programs: &mut Programs,
    pins: &PinDirectory,
    interface: &Interface<'_>,
    hook: Hook,
) -> Result<(), EbpfError> {
    let path = pins.link(interface.ifindex, hook);
    if !path.exists() {
        return attach_tcx_hook(programs, pins, interface, hook);
    }
    let pinned = PinnedLink::from_pin(&path).map_err(|source| link_failed(interface, source))?;
    let link = SchedClassifierLink::try_from(FdLink::from(pinned))
        .map_err(|source| link_failed(interface, source))?;
    let program = programs.of(hook);
    match program.attach_to_link(link) {
        Ok(id) => {
            // It stays pinned; only the descriptor is closed.
            drop(program.take_link(id).map_err(|source| attach_failed(interface, hook, source))?);
            Ok(())
        }
        // The interface it belonged to is gone.
        Err(source) if os_error(&source) == Some(libc::ENOLINK) => {
            unpin(&path)?;
            attach_tcx_hook(programs, pins, interface, hook)
        }
        Err(source) => Err(attach_failed(interface, hook, source)),
    }
}

/// Makes our filter, or puts the program into the one that is there.
fn attach_clsact_hook(
    programs: &mut Programs,
    interface: &Interface<'_>,
    hook: Hook,
) -> Result<(), EbpfError> {
    let program = programs.of(hook);
    let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
    match program.attach_with_options(interface.name, attach_type(hook), TcAttachOptions::Netlink(options)) {
        Err(ProgramError::TcError(source)) if is_there_already(&source) => {
            replace_clsact(programs, interface, hook)
        }
        result => {
            result.and_then(|id| keep(program, id)).map_err(|source| attach_failed(interface, hook, source))
        }
    }
}

/// Puts the program into our filter, in the place of the one that is there.
fn replace_clsact(programs: &mut Programs, interface: &Interface<'_>, hook: Hook) -> Result<(), EbpfError> {
    let program = programs.of(hook);
    SchedClassifierLink::attached(interface.name, attach_type(hook), PRIORITY, HANDLE, None)
        .map_err(|source| ProgramError::TcError(TcError::IoError(source)))
        .and_then(|link| program.attach_to_link(link))
        .and_then(|id| keep(program, id))
        .map_err(|source| attach_failed(interface, hook, source))
}

/// Dropping a link would detach the filter.
fn keep(program: &mut SchedClassifier, id: SchedClassifierLinkId) -> Result<(), ProgramError> {
    let _stays = ManuallyDrop::new(program.take_link(id)?);
    Ok(())
}

fn attach_type(hook: Hook) -> TcAttachType {
    match hook {
        Hook::Ingress => TcAttachType::Ingress,
        Hook::Egress => TcAttachType::Egress,
    }
}

fn attach_failed(interface: &Interface<'_>, hook: Hook, source: ProgramError) -> EbpfError {
    EbpfError::Attach { interface: interface.name.to_owned(), hook: attach_type(hook), source }
}

fn link_failed(interface: &Interface<'_>, source: LinkError) -> EbpfError {
    EbpfError::Link { interface: interface.name.to_owned(), source }
}

/// The kernel's answer to an attach type it does not know.
fn is_unsupported(error: &ProgramError) -> bool {
    matches!(os_error(error), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

fn os_error(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::SyscallError(SyscallError { io_error, .. }) => io_error.raw_os_error(),
        _ => None,
    }
}

/// The kernel's answer to a kind of qdisc or filter that it does not know.
pub(super) fn has_no_clsact(error: &EbpfError) -> bool {
    match error {
        EbpfError::AddClsact { source: TcError::NetlinkError(error), .. }
        | EbpfError::Attach { source: ProgramError::TcError(TcError::NetlinkError(error)), .. } => {
            error.raw_os_error() == Some(libc::ENOENT)
        }
        _ => false,
    }
}

fn is_there_already(error: &TcError) -> bool {
    match error {
        TcError::NetlinkError(error) => error.raw_os_error() == Some(libc::EEXIST),
        _ => false,
    }
}
