# Checks of ackd's own.

# ACKD_ADD_FLAG(VARIABLE, FLAG): append FLAG where the C compiler takes it.
AC_DEFUN([ACKD_ADD_FLAG],[
  AS_VAR_PUSHDEF([cached],[ackd_cv_cflag_$2])
  AC_CACHE_CHECK([whether $CC accepts $2],[cached],[
    ackd_flag_save=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],[AS_VAR_SET([cached],[yes])],[AS_VAR_SET([cached],[no])])
    CFLAGS=$ackd_flag_save])
  AS_VAR_IF([cached],[yes],[$1="$$1 $2"])
  AS_VAR_POPDEF([cached])
])

# ACKD_WARNINGS: WARN_CFLAGS. -Wframe-larger-than is a design rule: tasks have small stacks.
AC_DEFUN([ACKD_WARNINGS],[
  AC_ARG_ENABLE([werror],[AS_HELP_STRING([--enable-werror],[warnings are errors])],[],[enable_werror=no])
  WARN_CFLAGS=
  m4_foreach_w([flag],[-Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wcast-qual
      -Wwrite-strings -Wformat=2 -Wundef -Wvla -Walloca -Wswitch-enum -Wnull-dereference
      -Wpointer-arith -Wduplicated-cond -Wlogical-op -Wframe-larger-than=4096],
    [ACKD_ADD_FLAG([WARN_CFLAGS],flag)])
  AS_IF([test "x$enable_werror" = xyes],[WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])
])

# ACKD_HARDENING: STACK_CFLAGS is what every handler needs too (it is in ackd.pc): without
# -fstack-clash-protection a large frame jumps over the guard page of a task's stack.
AC_DEFUN([ACKD_HARDENING],[
  STACK_CFLAGS=
  m4_foreach_w([flag],[-fstack-clash-protection -fno-omit-frame-pointer],
    [ACKD_ADD_FLAG([STACK_CFLAGS],flag)])
  HARDEN_CFLAGS=
  m4_foreach_w([flag],[-fvisibility=hidden -fstack-protector-strong -fcf-protection=full
      -ftrivial-auto-var-init=zero],
    [ACKD_ADD_FLAG([HARDEN_CFLAGS],flag)])
  HARDEN_LDFLAGS='-Wl,-z,relro -Wl,-z,now'
  AC_SUBST([STACK_CFLAGS])
  AC_SUBST([HARDEN_CFLAGS])
  AC_SUBST([HARDEN_LDFLAGS])
])

# ACKD_SANITIZERS: --enable-sanitizers=address,undefined or thread.
AC_DEFUN([ACKD_SANITIZERS],[
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers=LIST],[address,undefined or thread])],
    [],[enable_sanitizers=])
  SAN_FLAGS=
  NO_UNDEF='-Wl,-z,defs'
  AS_CASE([$enable_sanitizers],
    [''|no],[FORTIFY_CPPFLAGS='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2'],
    [AC_DEFINE([SANITIZED],[1],[a sanitizer is linked in; clang and gcc tell it differently])
     FORTIFY_CPPFLAGS=
     SAN_FLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all"
     dnl clang links the sanitizer into programs only, so its shared objects keep undefined symbols.
     NO_UNDEF=])
  AC_SUBST([SAN_FLAGS])
  AC_SUBST([NO_UNDEF])
  AC_SUBST([FORTIFY_CPPFLAGS])
  AM_CONDITIONAL([SANITIZED],[test -n "$SAN_FLAGS"])
])

# ACKD_SWITCH_BACKEND: which file switches between task stacks.
AC_DEFUN([ACKD_SWITCH_BACKEND],[
  AC_REQUIRE([AC_CANONICAL_HOST])
  AC_ARG_WITH([switch],
    [AS_HELP_STRING([--with-switch=KIND],[x86_64, aarch64 or ucontext (default: by processor)])],
    [],[with_switch=auto])
  AS_IF([test "x$with_switch" = xauto],
    [AS_CASE([$host_cpu],[x86_64],[with_switch=x86_64],[aarch64],[with_switch=aarch64],
             [with_switch=ucontext])])
  AS_CASE([$with_switch],[x86_64|aarch64|ucontext],[],
    [AC_MSG_ERROR([--with-switch=$with_switch: it is x86_64, aarch64 or ucontext])])
  ackd_switch=$with_switch
  AM_CONDITIONAL([SWITCH_X86_64],[test "x$ackd_switch" = xx86_64])
  AM_CONDITIONAL([SWITCH_AARCH64],[test "x$ackd_switch" = xaarch64])
  AM_CONDITIONAL([SWITCH_UCONTEXT],[test "x$ackd_switch" = xucontext])
  AS_IF([test "x$ackd_switch" = xucontext],[AC_DEFINE([SWITCH_UCONTEXT],[1],[tasks switch by ucontext])])
])

# ACKD_OPTIONAL_MODULE(NAME, OPTION, MODULE, PURPOSE): --with-OPTION, on where the module is there.
AC_DEFUN([ACKD_OPTIONAL_MODULE],[
  AC_ARG_WITH([$2],[AS_HELP_STRING([--without-$2],[leave out: $4])],[],[with_$2=auto])
  have_$2=no
  AS_IF([test "x$with_$2" != xno],
    [PKG_CHECK_MODULES([$1],[$3],[have_$2=yes],
      [AS_IF([test "x$with_$2" = xyes],[AC_MSG_ERROR([$3 not found, but --with-$2 was given])])])])
  AS_IF([test "x$have_$2" = xyes],[AC_DEFINE([HAVE_$1],[1],[$4])])
  AM_CONDITIONAL([HAVE_$1],[test "x$have_$2" = xyes])
])
