//! Mutually authenticated MQTT sessions, for the agent, the monitor and the operator alike.
//!
//! placeholder
