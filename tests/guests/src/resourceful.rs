//! Has a resource in its signature, which no JSON can carry.

wit_bindgen::generate!({ inline: r"
    package strongroom-test:resourceful@0.1.0;
    interface resourceful {
        resource handle {
            constructor(name: string);
            name: func() -> string;
        }
        /// Gives a handle.
        open: func(name: string) -> handle;
    }
    world guest { export resourceful; }
" });
strongroom_guests::embed!("strongroom:manifest", "name = 'resourceful'\nversion = '0.1.0'\n");

use exports::strongroom_test::resourceful::resourceful::{Guest, GuestHandle, Handle};

struct Tool;
export!(Tool);

struct Named(String);

impl GuestHandle for Named {
    fn new(name: String) -> Self {
        Self(name)
    }

    fn name(&self) -> String {
        self.0.clone()
    }
}

impl Guest for Tool {
    type Handle = Named;

    fn open(name: String) -> Handle {
        Handle::new(Named(name))
    }
}
