/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console: a page for people, at `/`. It is one constant document (console.html), whose script asks the other pages
 * for their figures every two seconds and shows them; the server does nothing else for it. On the thread that asks.
 */
#include "console.h"

#include "page.h"

void console_page(struct page *page) {
  page->type = "text/html; charset=utf-8";
  json_put_raw(&page->json, console_html, console_html_len);
}
