# SPDX-License-Identifier: Apache-2.0
# Makes C of the console's page: cmake -D IN=console.html -D OUT=console_html.c -P console.cmake
# The page has one style and one script; its policy (Content-Security-Policy) allows these two by their hashes, and
# nothing else to run or to be fetched but figures of this server.

# base64(<hex> <variable>): the 64 hexadecimal digits of a hash in base 64.
function(base64 hex result)
  set(digits "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(text "")
  foreach(at RANGE 0 60 6)
    string(SUBSTRING "${hex}0" ${at} 6 part) # the last part has 4 digits and one more for a third digit in base 64
    math(EXPR value "0x${part}")
    set(shifts 18 12 6 0)
    if(at EQUAL 60)
      math(EXPR value "${value} >> 2")
      set(shifts 12 6 0)
    endif()
    foreach(shift ${shifts})
      math(EXPR digit "(${value} >> ${shift}) & 63")
      string(SUBSTRING "${digits}" ${digit} 1 digit)
      string(APPEND text ${digit})
    endforeach()
  endforeach()
  set(${result} "${text}=" PARENT_SCOPE)
endfunction()

# hash_of(<element> <variable>): of what stands inside of the element.
function(hash_of element result)
  string(FIND "${page}" "<${element}>" from)
  string(FIND "${page}" "</${element}>" until)
  string(LENGTH "<${element}>" len)
  math(EXPR from "${from} + ${len}")
  math(EXPR len "${until} - ${from}")
  string(SUBSTRING "${page}" ${from} ${len} inside)
  string(SHA256 hash "${inside}")
  base64(${hash} hash)
  set(${result} "'sha256-${hash}'" PARENT_SCOPE)
endfunction()

file(READ ${IN} page)
hash_of(style style)
hash_of(script script)
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "/* Made of console.html by console.cmake. */
#include \"console.h\"

const char console_policy[] =
    \"default-src 'none'; style-src ${style}; script-src ${script}; \"
    \"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\";
const char console_html[] = {
${bytes}0};
const size_t console_html_len = sizeof console_html - 1;
")
