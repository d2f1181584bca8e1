//! A clsact qdisc that we have made and that nobody else uses.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use rustix::io::Errno;

use super::{Links, LinksError, Operation};
use crate::accounting::identity::IfIndex;

/// Parents of the filters on clsact's two hooks (`TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`).
const HOOKS: [TcHandle; 2] =
    [TcHandle { major: 0xffff, minor: 0xfff2 }, TcHandle { major: 0xffff, minor: 0xfff3 }];

impl Links {
    /// Removes the clsact qdisc of an interface, unless somebody has a filter in it. That it is gone already is as good.
    pub(crate) async fn remove_empty_clsact(&self, ifindex: IfIndex) -> Result<(), LinksError> {
        let operation = Operation::RemoveClsact(ifindex);
        let Ok(index) = i32::try_from(ifindex.0.get()) else { return Ok(()) };
        for parent in HOOKS {
            let mut request = TcMessage::with_index(index);
            request.header.parent = parent;
            let request = RouteNetlinkMessage::GetTrafficFilter(request);
            match self.ask(request, NLM_F_DUMP, operation).await {
                Ok(answer) if answer.messages.is_empty() => {}
                Ok(_) => return Ok(()),
                Err(error) if is_absence(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let mut request = TcMessage::with_index(index);
        request.header.parent = TcHandle::CLSACT;
        request.header.handle = TcHandle { major: 0xffff, minor: 0 };
        request.attributes.push(TcAttribute::Kind("clsact".to_owned()));
        match self.ask(RouteNetlinkMessage::DelQueueDiscipline(request), NLM_F_ACK, operation).await {
            Err(error) if !is_absence(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// No such interface, or no such qdisc.
fn is_absence(error: &LinksError) -> bool {
    error.is(Errno::NODEV) || error.is(Errno::INVAL) || error.is(Errno::NOENT)
}
