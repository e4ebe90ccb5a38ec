//! `gated!`: writes the forwarding functions of one interface, each through the gate.
//!
//! Takes: an interface's functions, each with its row of the table. Gives: the generated trait for `Audited`.
//! May name: imports::gate.
//!
//! A line is `<mode> fn name(args) -> result = ROW, on <handle> at <path>, in <bytes>;`. The mode is `sync`, `wait`
//! (async) or `drop`; an effect that leaves with the call is a `wait`, which goes on when the effect is announced. `on` names the argument that is the handle, `at` a path under it, `in` the bytes that come in.
//! Whatever the call gives back is charged, and new handles lead where their parent led. Functions that need more
//! than a line stand in `@ { … }`. `held by` names a type whose `view()` gives the inner view.

macro_rules! gated {
    (impl $trait:path as $view:ty { $($body:tt)* }) => {
        gated! { @impl $trait, $view, $view, [] { $($body)* } }
    };
    (impl $trait:path as $view:ty, held by $holder:ty { $($body:tt)* }) => {
        gated! { @impl $trait, $view, $holder, [.view()] { $($body)* } }
    };
    (@impl $trait:path, $view:ty, $holder:ty, $reach:tt {
        $( $mode:ident fn $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) -> $ret:ty = $row:ident
           $(, on $handle:ident $(at $path:ident)? )? $(, in $bytes:expr)? ; )*
        $( @ { $($rest:item)* } )?
    }) => {
        impl $trait for $crate::imports::gate::Audited<'_, $holder> {
            $( gated! { @$mode $trait, $view, $reach, $name, ($($arg: $ty),*), $ret, $row, ($($handle)?), ($($handle $(, $path)?)?), ($($bytes)?) } )*
            $( $($rest)* )?
        }
    };
    (@sync $trait:path, $view:ty, [$($reach:tt)*], $name:ident, ($($arg:ident : $ty:ty),*), $ret:ty, $row:ident, $on:tt, $at:tt, $in:tt) => {
        fn $name(&mut self, $($arg: $ty),*) -> $ret {
            let handle = gated!(@on $on);
            gated!(@enter self, $row, handle, $at, $in);
            let given = <$view as $trait>::$name(&mut self.inner $($reach)*, $($arg),*);
            gated!(@leave self, handle, given)
        }
    };
    (@wait $trait:path, $view:ty, [$($reach:tt)*], $name:ident, ($($arg:ident : $ty:ty),*), $ret:ty, $row:ident, $on:tt, $at:tt, $in:tt) => {
        async fn $name(&mut self, $($arg: $ty),*) -> $ret {
            let handle = gated!(@on $on);
            gated!(@announce self, $row, handle, $at, $in);
            let given = <$view as $trait>::$name(&mut self.inner $($reach)*, $($arg),*).await;
            gated!(@leave self, handle, given)
        }
    };
    (@drop $trait:path, $view:ty, [$($reach:tt)*], $name:ident, ($arg:ident : $ty:ty), $ret:ty, $row:ident, $on:tt, $at:tt, $in:tt) => {
        fn $name(&mut self, $arg: $ty) -> $ret {
            let handle = $crate::imports::gate::rep(&$arg);
            gated!(@enter self, $row, Some(handle), (), ());
            self.gate.release(handle);
            <$view as $trait>::$name(&mut self.inner $($reach)*, $arg)
        }
    };
    (@waitdrop $trait:path, $view:ty, [$($reach:tt)*], $name:ident, ($arg:ident : $ty:ty), $ret:ty, $row:ident, $on:tt, $at:tt, $in:tt) => {
        async fn $name(&mut self, $arg: $ty) -> $ret {
            let handle = $crate::imports::gate::rep(&$arg);
            gated!(@enter self, $row, Some(handle), (), ());
            self.gate.release(handle);
            <$view as $trait>::$name(&mut self.inner $($reach)*, $arg).await
        }
    };
    (@on ()) => { None };
    (@on ($handle:ident)) => { Some($crate::imports::gate::rep(&$handle)) };
    (@enter $self:ident, $row:ident, $handle:expr, $at:tt, $in:tt) => {
        let target = gated!(@at $self, $at);
        let bytes = gated!(@in $in);
        if let Err(stop) = $self.gate.enter(&$crate::imports::table::$row, $handle, target, bytes) {
            return Err($crate::imports::gate::FromStop::from_stop(stop));
        }
    };
    (@announce $self:ident, $row:ident, $handle:expr, $at:tt, $in:tt) => {
        let target = gated!(@at $self, $at);
        let bytes = gated!(@in $in);
        let passed = match $self.gate.effect(&$crate::imports::table::$row, [($handle, target, bytes)]) {
            Ok(notice) => notice.durable().await,
            Err(stop) => Err(stop),
        };
        if let Err(stop) = passed {
            return Err($crate::imports::gate::FromStop::from_stop(stop));
        }
    };
    (@leave $self:ident, $handle:expr, $given:ident) => {
        match $given {
            Ok(value) => match $self.gate.leave($handle, &value) {
                Ok(()) => Ok(value),
                Err(stop) => Err($crate::imports::gate::FromStop::from_stop(stop)),
            },
            Err(error) => Err(error),
        }
    };
    (@at $self:ident, ()) => { None };
    (@at $self:ident, ($handle:ident)) => { None };
    (@at $self:ident, ($handle:ident, $path:ident)) => {
        $self.gate.under($crate::imports::gate::rep(&$handle), &$path)
    };
    (@in ()) => { 0 };
    (@in ($bytes:expr)) => { $crate::imports::yields::Yields::bytes(&$bytes) };
}
