/* What linux/gpio.h of this machine says, one `name value` a line. */
#include <linux/gpio.h>
#include <stddef.h>
#include <stdio.h>

#define SAY(name, value) printf("%s %lu\n", name, (unsigned long)(value))

int main(void)
{
	SAY("GET_CHIPINFO", GPIO_GET_CHIPINFO_IOCTL);
	SAY("GET_LINEINFO", GPIO_V2_GET_LINEINFO_IOCTL);
	SAY("GET_LINE", GPIO_V2_GET_LINE_IOCTL);
	SAY("GET_VALUES", GPIO_V2_LINE_GET_VALUES_IOCTL);
	SAY("USED", GPIO_V2_LINE_FLAG_USED);
	SAY("INPUT", GPIO_V2_LINE_FLAG_INPUT);
	SAY("OUTPUT", GPIO_V2_LINE_FLAG_OUTPUT);
	SAY("up", GPIO_V2_LINE_FLAG_BIAS_PULL_UP);
	SAY("down", GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN);
	SAY("none", GPIO_V2_LINE_FLAG_BIAS_DISABLED);
	SAY("sizeof chip", sizeof(struct gpiochip_info));
	SAY("sizeof info", sizeof(struct gpio_v2_line_info));
	SAY("sizeof request", sizeof(struct gpio_v2_line_request));
	SAY("sizeof values", sizeof(struct gpio_v2_line_values));
	SAY("info.consumer", offsetof(struct gpio_v2_line_info, consumer));
	SAY("info.offset", offsetof(struct gpio_v2_line_info, offset));
	SAY("info.flags", offsetof(struct gpio_v2_line_info, flags));
	SAY("request.consumer", offsetof(struct gpio_v2_line_request, consumer));
	SAY("request.flags", offsetof(struct gpio_v2_line_request, config.flags));
	SAY("request.num_lines", offsetof(struct gpio_v2_line_request, num_lines));
	SAY("request.fd", offsetof(struct gpio_v2_line_request, fd));
	SAY("values.mask", offsetof(struct gpio_v2_line_values, mask));
	return 0;
}
