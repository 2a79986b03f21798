// Threads that are one of several themselves.
#pragma once

namespace tilewise {

// Whether parallel regions that the calling thread opens run on it alone: a loader's workers would
// otherwise take the cores from each other and from the training step.
void set_serial_thread(bool serial);

}  // namespace tilewise
