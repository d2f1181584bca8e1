//! The only thing that changes the [`State`].

mod keys;
mod mouse;

use super::event::{Effect, Event};
use super::scene::Scene;
use super::state::State;

/// Takes an event, and says what is to be done about it.
pub(crate) fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Report { report, elapsed } => {
            match state.live_mut() {
                Some(scene) => scene.advance(*report, elapsed),
                empty @ None => *empty = Some(Scene::new(*report)),
            }
            state.show_kept();
            if state.is_paused() {
                return Vec::new();
            }
            state.arrange();
        }
        Event::Kept(kept) => {
            state.keep(kept);
            if state.is_paused() {
                return Vec::new();
            }
            state.arrange();
        }
        Event::Key(key) => return keys::press(state, key),
        Event::Click(place) => mouse::click(state, place),
        Event::Wheel(turn) => mouse::wheel(state, turn),
        Event::Resize(size) => {
            state.size = size;
            state.keep_in_sight();
        }
        Event::Said(said) => {
            state.say(said);
            state.keep_in_sight();
        }
        Event::Gone => return vec![Effect::Quit],
    }
    vec![Effect::Draw]
}
