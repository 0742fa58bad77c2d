#include "common/shared/descriptor_room.h"

#include "common/shared/descriptor_motion.h"

namespace baton {

bool DescriptorRoom::make() {
  bool made = false;
  if (segment_ != nullptr) {
    const DescriptorMotion motion(DescriptorMotion::Kind::kFile);
    made = motion && segment_->files().give_way(segment_->scoreboard(), holder_);
  }
  errno = EMFILE;
  return made;
}

}  // namespace baton
