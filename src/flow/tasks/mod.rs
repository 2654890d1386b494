//! Tasks that run beside deliveries for as long as the gateway does.

pub mod cleanup;
pub mod clock_monitor;
pub mod template_reload;
