/** Every named maximum of chats, with its unit. */

export const CHAT_MESSAGES_MAX = 1024;
export const CHAT_TEMPLATE_BYTES_MAX = 256 << 10;
/** A template that runs longer hangs: the model's file is somebody else's program. */
export const CHAT_TEMPLATE_RUN_MS_MAX = 5_000;
/** Numbers of one `range` in a template. */
export const CHAT_TEMPLATE_RANGE_MAX = 65_536;
